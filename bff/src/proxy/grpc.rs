//! What gRPC clients understand: a call's outcome is `grpc-status`, and an answer without it is a broken server.

/// Whether a request or an answer with this `Content-Type` is gRPC. `application/grpc-web` is not: it is read by browsers,
/// whose libraries understand HTTP's own status.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    content_type
        .split_at_checked(NAME.len())
        .is_some_and(|(name, rest)| {
            name.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
        })
}

/// The `grpc-status` of what never reached an upstream (gRPC, "HTTP to gRPC Status Code Mapping"; statuses that it does not
/// name by their meaning).
pub(super) fn status(http: u16) -> u16 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        404 | 405 => 12,
        413 => 8,
        429 | 502 | 503 => 14,
        504 => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_told_by_its_content_type() {
        for text in [
            "application/grpc",
            "application/grpc+proto",
            "Application/gRPC; charset=x",
        ] {
            assert!(is_grpc(text.as_bytes()), "{text}");
        }
        for text in [
            "application/grpc-web",
            "application/grpc-web+proto",
            "application/json",
            "application/grp",
            "",
        ] {
            assert!(!is_grpc(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn nobody_signed_in_is_unauthenticated() {
        assert_eq!(status(401), 16);
        assert_eq!(status(403), 7);
        assert_eq!(status(503), 14);
        assert_eq!(status(418), 2);
    }
}
