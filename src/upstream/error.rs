//! From reqwest's errors to ours.
//!
//! reqwest prints whole URLs, and hyper and the system print addresses, so none of their texts are used: the kind is
//! found by type along the chain of causes and the sentence is written here. It names the host and nothing else.

use std::error::Error;
use std::io;

use super::message::SendError;
use super::resolver::ResolveError;

/// `error` and its causes, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        // An I/O error that wraps another error leaves that one out of its `source`.
        let wrapped = this.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map_or_else(|| this.source(), |inner| Some(inner));
        Some(this)
    })
}

/// The first cause of type `T`.
fn cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|e| e.downcast_ref())
}

/// Whether an I/O error with one of `kinds` is among the causes.
fn has_io(error: &(dyn Error + 'static), kinds: &[io::ErrorKind]) -> bool {
    chain(error).filter_map(|e| e.downcast_ref::<io::Error>()).any(|e| kinds.contains(&e.kind()))
}

/// Sorts an error of the client. Where it is unsure, it says that the request may have been sent.
pub(super) fn sort(error: &reqwest::Error, host: &str, https: bool) -> SendError {
    if let Some(resolve) = cause::<ResolveError>(error) {
        return match resolve {
            ResolveError::Forbidden => SendError::AddressRefused(format!(
                "{host} resolves to an address that is not public; to permit it, add its subnet to `upstream.allow_networks`"
            )),
            ResolveError::NoAddress => SendError::Dns(format!("the host name {host} has no address")),
            ResolveError::TimedOut => SendError::Dns(format!("the host name {host} was not resolved in time")),
        };
    }
    if error.is_connect() {
        return connect(error, host, https);
    }
    if error.is_builder() {
        return SendError::Unsendable(format!("the request to {host} cannot be built"));
    }
    if error.is_timeout() {
        return SendError::Timeout(format!("{host} gave no complete answer within the request's time"));
    }
    let parse = cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    if parse || has_io(error, &[io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput]) {
        return SendError::BadResponse(format!("{host} answered something that is not valid HTTP"));
    }
    SendError::Broken(format!("the connection to {host} broke before the answer was complete"))
}

fn connect(error: &reqwest::Error, host: &str, https: bool) -> SendError {
    // rustls reports what it refuses as invalid data, and a peer that hangs up amid the handshake as an early end.
    if https && has_io(error, &[io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof]) {
        return SendError::Tls(format!("no TLS connection to {host}: its certificate or its protocol was refused"));
    }
    if error.is_timeout() {
        return SendError::Connect(format!("{host} accepted no connection in time"));
    }
    if has_io(error, &[io::ErrorKind::ConnectionRefused]) {
        return SendError::Connect(format!("{host} refused the connection"));
    }
    SendError::Connect(format!("no connection to {host} could be made"))
}
