//! The headers that every answer carries, unless it has its own.

/// Sent with every answer.
pub(crate) const ALWAYS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// For answers that are no pages: nothing in them is ever to be run or framed.
pub(crate) const POLICY_WITHOUT_PAGE: &str = "default-src 'none'; frame-ancestors 'none'";

/// Two years; only where the issuer is https. Whether its neighbours below the same name have https is not ours to say.
pub(crate) const STRICT_TRANSPORT_SECURITY: &str = "max-age=63072000";
