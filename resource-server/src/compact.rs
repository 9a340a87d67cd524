//! Reads the compact form of a JWS (RFC 7515 §7.1) as strictly as it can be read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::TokenError;
use crate::json::Object;

/// A token cut into its parts; nothing of it is decoded or believed yet.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    /// What the signature covers: the first two parts as they came.
    signed: &'t [u8],
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> Compact<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Structure)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Structure)?;
        if header.is_empty() || payload.contains('.') || payload.is_empty() || signature.is_empty() {
            return Err(TokenError::Structure);
        }
        Ok(Self {
            signed: signed.as_bytes(),
            header,
            payload,
            signature,
        })
    }

    /// The text of the header.
    pub(crate) fn header(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.header)
    }

    /// The text of the claims; to be read once the signature is known to be good.
    pub(crate) fn claims(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.payload)
    }

    /// What the signature covers, and the signature.
    pub(crate) fn signed(&self) -> Result<(&'t [u8], Vec<u8>), TokenError> {
        let signature = URL_SAFE_NO_PAD.decode(self.signature);
        Ok((self.signed, signature.map_err(|_| TokenError::Signature)?))
    }
}

fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Structure)
}

/// Reads a JSON object none of whose names occurs twice.
///
/// RFC 7515 §4 and RFC 7519 §4 let a reader take the last of two. Refusing is the other choice they leave, and the
/// safe one: what a gateway took for the first member, a service behind it may take for the second.
pub(crate) fn read_object(json: &[u8], malformed: TokenError) -> Result<Object<'_>, TokenError> {
    let object: Object<'_> = serde_json::from_slice(json).map_err(|_| malformed)?;
    if object.repeats_a_name() {
        return Err(TokenError::DuplicateMember);
    }
    Ok(object)
}
