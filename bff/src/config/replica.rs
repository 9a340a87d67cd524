use std::time::Duration;

use resource_server::settings::Section;

const KIB: u64 = 1_024;
const SMALLEST: u64 = KIB * KIB;
const LARGEST: u64 = 1_024 * KIB * KIB * KIB;

/// `[replica]`: the opened sessions that each node keeps in memory.
#[derive(Debug)]
pub struct ReplicaConfig {
    /// How much memory they may take.
    pub max_bytes: u64,
    /// How long a node that is cut off from the news goes on trusting them.
    pub staleness: Duration,
}

impl ReplicaConfig {
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let max_bytes = section.parsed_or("max_size", "64MiB", size);
        let staleness = section.duration_or(
            "staleness",
            Duration::from_secs(1),
            Duration::from_millis(50)..=Duration::from_secs(10),
        );
        section.finish();

        Some(Self {
            max_bytes: max_bytes?,
            staleness: staleness?,
        })
    }
}

fn size(text: &str) -> Result<u64, String> {
    bytes(text)
        .filter(|bytes| (SMALLEST..=LARGEST).contains(bytes))
        .ok_or_else(|| "must be a size from 1MiB to 1024GiB, such as \"64MiB\"".to_owned())
}

/// A whole number of KiB, MiB or GiB.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit.trim_start() {
        "KiB" => KIB,
        "MiB" => KIB * KIB,
        "GiB" => KIB * KIB * KIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(size("1024KiB"), Ok(SMALLEST));
        assert_eq!(size("64 MiB"), Ok(64 * KIB * KIB));
        assert_eq!(size("1024GiB"), Ok(LARGEST));
        for bad in [
            "",
            "64",
            "64MB",
            "64M",
            "MiB",
            "-1MiB",
            "1.5GiB",
            "1023KiB",
            "1025GiB",
            "99999999999999999999GiB",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
