//! What does a process take? Memory and processor time of it and its children, from /proc.

use std::{fs, time::Duration};

use crate::process;

/// Memory in use, in MiB, of `id` and what it started.
pub(super) fn resident_mib(id: u32) -> f64 {
    let kib: u64 = process::family(id)
        .iter()
        .filter_map(|id| fs::read_to_string(format!("/proc/{id}/status")).ok())
        .filter_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        })
        .sum();
    f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0
}

/// Processor time so far, of user and kernel, of `id` and what it started. In steps of 10 ms.
pub(super) fn processor(id: u32) -> Duration {
    let ticks: u64 = process::family(id)
        .iter()
        .filter_map(|id| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // After the name in brackets the 12th and 13th fields are user and system ticks.
            let (_, rest) = stat.rsplit_once(") ")?;
            let mut fields = rest.split(' ').skip(11).map(|field| field.parse::<u64>().ok());
            Some(fields.next()?? + fields.next()??)
        })
        .sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks * 1000 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_memory() {
        let id = std::process::id();
        assert!(resident_mib(id) > 0.5);
        assert!(processor(id) < Duration::from_secs(3600));
    }
}
