//! Which form of a file a client takes (RFC 9110 §12.5.3).

/// A form in which a file may lie beside itself, already compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// `br`, in a file that ends with `.br`.
    Brotli,
    /// `gzip`, in a file that ends with `.gz`.
    Gzip,
}

impl Coding {
    /// All of them, the smallest first.
    pub const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What such a file's name ends with.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// What a client says that it takes; weights in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    brotli: u16,
    gzip: u16,
    identity: u16,
}

impl Accepted {
    /// A client that takes files as they are.
    pub const PLAIN_ONLY: Self = Self {
        brotli: 0,
        gzip: 0,
        identity: 1,
    };

    /// Reads `Accept-Encoding`, several lines joined by commas. What cannot be read counts as not said.
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let (mut brotli, mut gzip, mut identity, mut others) = (None, None, None, None);
        for item in header.split(',') {
            let (name, weight) = item.split_once(';').unwrap_or((item, "q=1"));
            let Some(weight) = thousandths(weight) else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "br" => brotli = Some(weight),
                "gzip" | "x-gzip" => gzip = Some(weight),
                "identity" => identity = Some(weight),
                "*" => others = Some(weight),
                _ => {}
            }
        }
        Self {
            brotli: brotli.or(others).unwrap_or(0),
            gzip: gzip.or(others).unwrap_or(0),
            // Whoever names a coding prefers it to none.
            identity: identity.unwrap_or(1),
        }
    }

    /// The best of the forms that are there; `None` is the file as it is, which is always there.
    #[must_use]
    pub fn best(self, available: impl Fn(Coding) -> bool) -> Option<Coding> {
        let mut best = None;
        let mut weight_of_best = self.identity.saturating_sub(1);
        for coding in Coding::ALL {
            let weight = match coding {
                Coding::Brotli => self.brotli,
                Coding::Gzip => self.gzip,
            };
            if weight > weight_of_best && available(coding) {
                (best, weight_of_best) = (Some(coding), weight);
            }
        }
        best
    }
}

/// `q=0.5` as 500.
fn thousandths(parameter: &str) -> Option<u16> {
    let value = parameter.trim().strip_prefix(['q', 'Q'])?.trim_start();
    let weight: f32 = value.strip_prefix('=')?.trim().parse().ok()?;
    if !(0.0..=1.0).contains(&weight) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1000"
    )]
    let thousandths = (weight * 1_000.0).round() as u16;
    Some(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_that_is_taken_and_there_is_sent() {
        for (header, both, only_gzip) in [
            (
                "gzip, deflate, br, zstd",
                Some(Coding::Brotli),
                Some(Coding::Gzip),
            ),
            ("br;q=0.5, gzip", Some(Coding::Gzip), Some(Coding::Gzip)),
            ("gzip;q=0.001", Some(Coding::Gzip), Some(Coding::Gzip)),
            ("BR", Some(Coding::Brotli), None),
            ("br;q=0, gzip;q=0", None, None),
            ("*", Some(Coding::Brotli), Some(Coding::Gzip)),
            ("*, br;q=0", Some(Coding::Gzip), Some(Coding::Gzip)),
            ("identity, gzip;q=0.5", None, None),
            ("identity;q=0, gzip", Some(Coding::Gzip), Some(Coding::Gzip)),
            ("br;q=nan, gzip;q=2", None, None),
            ("", None, None),
        ] {
            let accepted = Accepted::parse(header);
            assert_eq!(accepted.best(|_| true), both, "{header}");
            assert_eq!(
                accepted.best(|coding| coding == Coding::Gzip),
                only_gzip,
                "{header}"
            );
        }
        assert_eq!(Accepted::PLAIN_ONLY.best(|_| true), None);
    }
}
