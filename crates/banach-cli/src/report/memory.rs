//! Resident memory of this process, now and at its peak.

/// The peak of resident memory in bytes; none where the system does not tell.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// Resident memory now, in bytes; none where the system does not tell.
pub(crate) fn held_bytes() -> Option<u64> {
    status("VmRSS:")
}

fn status(name: &str) -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

fn parse(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(parse("VmPeak:\t  99 kB\nVmHWM:\t    12 kB\n", "VmHWM:"), Some(12 * 1024));
        assert_eq!(parse("nothing", "VmHWM:"), None);
    }
}
