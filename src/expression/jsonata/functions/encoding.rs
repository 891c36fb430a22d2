//! Base64 of text in UTF-8, also in the alphabet for URLs.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, on_context, text};
use super::js::truthy;

pub(super) const FUNCTIONS: &[Function] =
    &[("base64decode", || on_context(2, decode)), ("base64encode", || on_context(2, encode))];

/// `$base64encode(text, urlSafe)`. The engine's own writes Latin-1, which turns every other letter into garbage.
fn encode(args: &[Option<Value>]) -> Outcome {
    let text = text(args, 0)?.unwrap_or_default();
    let encoded =
        if truthy(argument(args, 1)) { BASE64_URL_SAFE_NO_PAD.encode(&*text) } else { BASE64_STANDARD.encode(&*text) };
    Ok(Some(encoded.into()))
}

/// `$base64decode(text, urlSafe)`: padded or not, and white space in between does not count.
fn decode(args: &[Option<Value>]) -> Outcome {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let Some(text) = text(args, 0)? else { return Ok(None) };
    let url_safe = truthy(argument(args, 1));
    let standard = |c: char| match c {
        '-' if url_safe => '+',
        '_' if url_safe => '/',
        c => c,
    };
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).map(standard).collect();
    let bytes = LENIENT.decode(text).map_err(|_| "invalid_base64")?;
    let text = String::from_utf8(bytes).map_err(|_| "invalid_base64")?;
    Ok(Some(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned).into()))
}
