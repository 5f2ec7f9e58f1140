//! Does the core touch memory that it must not, or two threads the same at once? Its tests under
//! the sanitizers of a nightly compiler, without `-Zbuild-std`: the standard library is not
//! instrumented, so what it orders is not seen (`tsan.supp` says what is left out for that).

use std::{process::Command, time::Duration};

use super::{
    Context, End,
    figures::Figures,
    job::{Finding, Found},
};
use crate::{counts, process};

const LIMIT: Duration = Duration::from_secs(40 * 60);

/// Where the thread sanitizer would see a race in the test itself: these gather answers under
/// standard locks. Scripts and fuzzing have one thread. A million keys take an hour.
const NOT_FOR_THREADS: [&str; 4] = ["histories::", "script::", "corpus::", "g47_many_distinct"];

/// User code that holds the panel that holds it: a circle, which is never freed. What these leak is
/// their own, so they run without the search for leaks.
const CIRCLES: [&str; 8] = [
    "e34_force_open_from_inside_the_trip_listener_ends_forced",
    "events::what_waits_for_a_listener_is_bounded",
    "f38_a_listener_may_call_everything",
    "g44_a_circle_of_two_threads_is_an_error_and_no_deadlock",
    "g44_a_key_function_that_looks_another_key_up_is_no_deadlock",
    "groups::a_listener_that_hears_of_a_held_trip_may_call_anything",
    "seeds::table::a_listener_that_looks_up_and_clears_is_no_deadlock",
    "thin::users_code_may_call_everything",
];

pub(super) fn thread(context: &Context) -> Result<End, String> {
    let flags = "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer";
    let skipped = NOT_FOR_THREADS.iter().flat_map(|name| ["--skip", name]);
    run(context, "tsan", flags, &["--test", "it"], &skipped.collect::<Vec<_>>(), "")
}

/// The first takes an hour; the second looks at the memory of the process, of which the sanitizer
/// keeps what was freed.
const NOT_FOR_ADDRESSES: [&str; 2] = ["g47_many_distinct", "i52_a_million_transitions"];

pub(super) fn address(context: &Context) -> Result<End, String> {
    let flags = "-Zsanitizer=address";
    let others = CIRCLES.iter().chain(&NOT_FOR_ADDRESSES).flat_map(|name| ["--skip", name]);
    let others: Vec<&str> = others.collect();
    let first = run(context, "asan", flags, &["--lib", "--test", "it"], &others, "")?;
    let End::Ran(mut found) = first else { return Ok(first) };
    let circles = run(context, "asan", flags, &["--test", "it"], &CIRCLES, "detect_leaks=0")?;
    if let End::Ran(more) = circles {
        found.figures += more.figures;
        found.findings.extend(more.findings);
    }
    Ok(End::Ran(found))
}

/// A nightly compiler, or the reason why there is none.
pub(super) fn nightly() -> Result<(), String> {
    match process::there("cargo", &["+nightly"]) && host().is_some() {
        true => Ok(()),
        false => Err("no nightly compiler (`rustup toolchain install nightly`)".into()),
    }
}

/// The target that the nightly compiler builds for.
fn host() -> Option<String> {
    let output = Command::new("rustc").args(["+nightly", "-vV"]).output().ok()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = told.lines().find_map(|line| line.strip_prefix("host: "))?;
    output.status.success().then(|| host.to_owned())
}

fn run(
    context: &Context,
    name: &str,
    flags: &str,
    targets: &[&str],
    filters: &[&str],
    options: &str,
) -> Result<End, String> {
    let Some(host) = host() else {
        return Ok(End::Skipped(nightly().err().unwrap_or_default()));
    };
    let workspace = &context.workspace;
    let suppressions = workspace.root.join("xtask/src/verify/tsan.supp");
    let mut command = Command::new("cargo");
    command
        .current_dir(&workspace.root)
        // A target that is named keeps the flags from build scripts and macros.
        .args(["+nightly", "test", "-p", "panelboard", "--target", &host])
        .args(targets)
        .arg("--")
        .args(filters)
        .arg("--nocapture")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", workspace.target.join(name))
        .env("CARGO_TERM_COLOR", "never")
        .env("ASAN_OPTIONS", options)
        .env("TSAN_OPTIONS", format!("suppressions={}", suppressions.display()))
        .env("PANELBOARD_REPEATS", context.goal(1_000).to_string())
        .env("PANELBOARD_CASES", context.goal(2_000).to_string());
    let again = format!("RUSTFLAGS='{flags}' cargo xtask verify {name}");
    let ended = process::run(command, LIMIT, false)?;
    let passed = counts::read(&ended.lines).passed;
    println!("{passed} tests passed under the sanitizer");
    let mut findings: Vec<Finding> = reports(&ended.lines)
        .into_iter()
        .map(|what| Finding { what, replay: format!("cargo xtask verify {name}") })
        .collect();
    if findings.is_empty() && !ended.success() {
        print_last(&ended.lines);
        findings.push(Finding { what: ended.how(), replay: again });
    }
    if passed == 0 && findings.is_empty() {
        return Err("no test was run".into());
    }
    Ok(End::Ran(Found { figures: Figures::of_tests(&ended.lines), findings, ..Found::default() }))
}

/// A sanitizer's own words, each once.
fn reports(lines: &[String]) -> Vec<String> {
    let mut told: Vec<String> = lines
        .iter()
        .filter_map(|line| line.split_once("SUMMARY: ").map(|(_, told)| told.to_owned()))
        .collect();
    told.sort();
    told.dedup();
    told
}

fn print_last(lines: &[String]) {
    for line in &lines[lines.len().saturating_sub(30)..] {
        println!("  | {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_once_however_often_it_came() {
        let told = [
            "SUMMARY: ThreadSanitizer: data race a.rs:1 in f",
            "x",
            "  SUMMARY: ThreadSanitizer: data race a.rs:1 in f",
        ];
        let told = told.map(str::to_owned);
        assert_eq!(reports(&told), ["ThreadSanitizer: data race a.rs:1 in f"]);
    }

    #[test]
    fn what_is_suppressed_stays_a_handful() {
        let lines = include_str!("tsan.supp").lines();
        let suppressed = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        assert!(suppressed.count() <= 5, "each line hides something: say why, and keep it to five");
    }
}
