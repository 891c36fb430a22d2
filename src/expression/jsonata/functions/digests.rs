//! Digests and signatures of text: SHA-1 to SHA-512, MD5, HMAC, and RS256 with a key in PKCS#8.

use std::borrow::Cow;

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use serde_json::Value;

use super::Function;
use super::call::{Outcome, plain, text};

pub(super) const FUNCTIONS: &[Function] = &[("digest", || plain(3, hash)), ("sign", || plain(4, sign))];

/// `$digest(text, algorithm = "SHA-256", form = "hex")`.
fn hash(args: &[Option<Value>]) -> Outcome {
    let text = text(args, 0)?.unwrap_or_default();
    let (algorithm, form) = (word(args, 1, "SHA-256")?, word(args, 2, "hex")?);
    let algorithm = match &*algorithm.to_ascii_uppercase() {
        "SHA-1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-256" => &digest::SHA256,
        "SHA-384" => &digest::SHA384,
        "SHA-512" => &digest::SHA512,
        "MD5" => return written(&Md5::digest(text.as_bytes()), &form),
        _ => return Err("unknown_algorithm"),
    };
    written(digest::digest(algorithm, text.as_bytes()).as_ref(), &form)
}

/// `$sign(text, algorithm = "SHA-256", secret, form = "hex")`.
fn sign(args: &[Option<Value>]) -> Outcome {
    let (message, secret) = (text(args, 0)?.unwrap_or_default(), text(args, 2)?.unwrap_or_default());
    let (algorithm, form) = (word(args, 1, "SHA-256")?, word(args, 3, "hex")?);
    let algorithm = match &*algorithm.trim().to_ascii_uppercase() {
        "RS256" => return written(&rs256(&message, &secret)?, &form),
        "" | "SHA-256" => hmac::HMAC_SHA256,
        "SHA-1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "SHA-384" => hmac::HMAC_SHA384,
        "SHA-512" => hmac::HMAC_SHA512,
        _ => return Err("unknown_algorithm"),
    };
    if secret.is_empty() {
        return Err("empty_secret");
    }
    written(hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes()).as_ref(), &form)
}

/// A key in the text form of PKCS#8, on one line too, with its line breaks written as `\n`.
fn rs256(message: &str, pem: &str) -> Result<Vec<u8>, &'static str> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let pem = pem.replace("\\n", "\n");
    let body = pem.split_once(BEGIN).ok_or("invalid_private_key")?.1;
    let body: String = body.split(END).next().unwrap_or(body).split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body).map_err(|_| "invalid_private_key")?;
    let key = RsaKeyPair::from_pkcs8(&der).map_err(|_| "invalid_private_key")?;
    let mut signature = vec![0; key.public_modulus_len()];
    // The interface wants a source of randomness; this padding is without any, so the same text gives the same signature.
    key.sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), message.as_bytes(), &mut signature)
        .map_err(|_| "invalid_private_key")?;
    Ok(signature)
}

/// A word with a default for when it is not given.
fn word<'a>(args: &'a [Option<Value>], index: usize, default: &'static str) -> Result<Cow<'a, str>, &'static str> {
    Ok(text(args, index)?.unwrap_or(Cow::Borrowed(default)))
}

fn written(bytes: &[u8], form: &str) -> Outcome {
    use std::fmt::Write as _;

    let text = match form {
        "hex" => bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }),
        "base64" => BASE64_STANDARD.encode(bytes),
        "base64-urlSafe" => BASE64_URL_SAFE_NO_PAD.encode(bytes),
        _ => return Err("unknown_form"),
    };
    Ok(Some(text.into()))
}
