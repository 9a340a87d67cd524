//! Reads the compact form of a JWS (RFC 7515 §7.1) as strictly as it can be read.

use std::borrow::Cow;

use base64_simd::{AsOut as _, URL_SAFE_NO_PAD};
use memchr::memchr_iter;

use crate::error::TokenError;
use crate::json::Object;

/// The longest signature that any algorithm makes: RSA with the longest key that is accepted, of 8192 bits.
pub(crate) type SignatureBytes = [u8; 1024];

/// Room for the headers that issuers usually make.
pub(crate) type HeaderBytes = [u8; 256];

/// A token cut into its parts; nothing of it is decoded or believed yet.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    /// What the signature covers: the first two parts as they came.
    signed: &'t [u8],
    header: &'t [u8],
    payload: &'t [u8],
    signature: &'t [u8],
}

impl<'t> Compact<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, TokenError> {
        let bytes = token.as_bytes();
        let mut dots = memchr_iter(b'.', bytes);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenError::Structure);
        };
        let (header, payload, signature) = (&bytes[..first], &bytes[first + 1..second], &bytes[second + 1..]);
        if header.is_empty() || payload.is_empty() || signature.is_empty() {
            return Err(TokenError::Structure);
        }
        Ok(Self {
            signed: &bytes[..second],
            header,
            payload,
            signature,
        })
    }

    /// The text of the header, in `room` if there is enough.
    pub(crate) fn header<'b>(&self, room: &'b mut HeaderBytes) -> Result<Cow<'b, str>, TokenError> {
        if self.header.len() > room.len() {
            return decode(self.header, TokenError::Header).map(Cow::Owned);
        }
        let bytes = decode_into(self.header, room).ok_or(TokenError::Structure)?;
        let text = str::from_utf8(bytes).map_err(|_| TokenError::Header)?;
        Ok(Cow::Borrowed(text))
    }

    /// The text of the claims; to be read once the signature is known to be good.
    pub(crate) fn claims(&self) -> Result<String, TokenError> {
        decode(self.payload, TokenError::Payload)
    }

    /// What the signature covers, and the signature, for which there has to be room.
    pub(crate) fn signed<'b>(
        &self,
        room: &'b mut SignatureBytes,
    ) -> Result<(&'t [u8], &'b [u8]), TokenError> {
        let signature = decode_into(self.signature, room).ok_or(TokenError::Signature)?;
        Ok((self.signed, signature))
    }
}

/// Base64url as a JWS has it (RFC 7515 §2): no padding, no other character, and no bit that nobody reads.
pub(crate) fn bytes_of(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(part).ok()
}

/// The same where there may be room; `None` also when there is not enough.
fn decode_into<'b>(part: &[u8], room: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decoded_length(part).ok()?;
    let room = room.get_mut(..length)?;
    let bytes = URL_SAFE_NO_PAD.decode(part, room.as_out()).ok()?;
    Some(bytes)
}

/// Text is checked to be UTF-8 (RFC 8259 §8.1) once as a whole: the parser would do it for each text in it, which takes longer.
fn decode(part: &[u8], malformed: TokenError) -> Result<String, TokenError> {
    let bytes = bytes_of(part).ok_or(TokenError::Structure)?;
    String::from_utf8(bytes).map_err(|_| malformed)
}

/// Reads a JSON object none of whose names occurs twice.
///
/// RFC 7515 §4 and RFC 7519 §4 let a reader take the last of two. Refusing is the other choice they leave, and the
/// safe one: what a gateway took for the first member, a service behind it may take for the second.
pub(crate) fn read_object(json: &str, malformed: TokenError) -> Result<Object<'_>, TokenError> {
    let object: Object<'_> = serde_json::from_str(json).map_err(|_| malformed)?;
    if object.repeats_a_name() {
        return Err(TokenError::DuplicateMember);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::{bytes_of, decode_into};

    /// What the plain decoder makes of it, which has no vector instructions and is strict.
    fn expected(text: &[u8]) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode(text).ok()
    }

    fn assert_decoded(text: &[u8]) {
        let expected = expected(text);
        assert_eq!(bytes_of(text), expected, "{text:?}");
        let mut room = [0xa5; 2048];
        assert_eq!(
            decode_into(text, &mut room).map(<[u8]>::to_vec),
            expected,
            "{text:?}"
        );
        if let Some(bytes) = expected {
            assert!(
                room[bytes.len()..].iter().all(|&byte| byte == 0xa5),
                "nothing beyond"
            );
            let mut too_small = vec![0; bytes.len().saturating_sub(1)];
            let is_empty = bytes.is_empty();
            assert_eq!(decode_into(text, &mut too_small).is_some(), is_empty);
        }
    }

    #[test]
    fn each_character_at_each_place_is_taken_as_by_the_plain_decoder() {
        // Long enough for every width of vector instructions, and for what is left behind them.
        for length in [
            1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 43, 63, 64, 65, 100, 127, 130,
        ] {
            let good = vec![b'A'; length];
            assert_decoded(&good);
            for place in 0..length {
                for byte in 0..=255 {
                    let mut text = good.clone();
                    text[place] = byte;
                    assert_decoded(&text);
                }
            }
        }
        assert_decoded(b"");
    }

    proptest! {
        #[test]
        fn texts_are_decoded_as_by_the_plain_decoder(
            bytes in prop::collection::vec(any::<u8>(), 0..1500),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in 0..4usize,
        ) {
            let mut text = URL_SAFE_NO_PAD.encode(&bytes).into_bytes();
            assert_decoded(&text);
            text.truncate(text.len().saturating_sub(cut));
            for (place, byte) in changes {
                if !text.is_empty() {
                    let place = place.index(text.len());
                    text[place] = byte;
                }
            }
            assert_decoded(&text);
        }
    }
}
