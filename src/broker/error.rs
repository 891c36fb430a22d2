//! Why the broker could not be used: sentences for people, without password and body.

use lapin::{Error, ErrorKind};

/// Why something at the broker was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// A setting cannot be used; trying again does not help.
    #[error("{0}")]
    BadInput(String),
    /// The broker does not answer, refused, or went away. Trying again can help.
    #[error("{0}")]
    Away(String),
    /// An exchange or queue is missing, or is there with other properties.
    #[error("{0}")]
    Topology(String),
}

/// Why a message is not known to be with the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There was no session, or it was lost before the confirm came: whether the broker has the message is not known.
    #[error("{0}")]
    Away(String),
    /// The broker has refused the message: a queue was full, or could not store it.
    #[error("the broker refused the message (a queue is full or cannot store it)")]
    Refused,
    /// No confirm came in time: whether the broker has the message is not known.
    #[error("the broker did not confirm the message in time")]
    TimedOut,
}

/// What a reader can do about an answer of the broker: part of the answer, and the advice.
const ADVICE: [(&str, &str); 7] = [
    ("Login was refused", "check user and password in `broker.url`"),
    ("PLAIN login refused", "check user and password in `broker.url`"),
    ("refused for user", "the user needs configure, write and read permissions for it (`rabbitmqctl set_permissions`)"),
    ("no exchange", "`tidewaiter broker apply` declares it"),
    ("no queue", "`tidewaiter broker apply` declares it"),
    ("inequivalent arg", "delete it once it is empty, or change the configuration to what is there"),
    // Most answers name the virtual host, so this comes last.
    ("vhost", "check the virtual host in `broker.url`, and the user's permissions on it"),
];

/// What happened between us and `place`, as a sentence without a full stop.
pub(super) fn explain(error: &Error, place: &str) -> String {
    match error.kind() {
        ErrorKind::IOError(error) | ErrorKind::RuntimeShutdownError(error) => explain_io(error, place),
        ErrorKind::ProtocolError(answer) => {
            let answer = answer.get_message().as_str().trim_end();
            let advice = ADVICE.iter().find(|(part, _)| answer.contains(part));
            let advice = advice.map_or_else(String::new, |(_, advice)| format!("; {advice}"));
            format!("the broker at {place} answers \"{answer}\"{advice}")
        }
        ErrorKind::MissingHeartbeatError => format!("the broker at {place} was not heard of for too long"),
        ErrorKind::ParsingError(_) => format!("the broker at {place} sent something that cannot be read"),
        ErrorKind::InvalidProtocolVersion(_) => format!("{place} does not speak AMQP 0-9-1: is it RabbitMQ's port?"),
        ErrorKind::InvalidChannelState(..) | ErrorKind::InvalidConnectionState(_) | ErrorKind::InvalidChannel(_) => {
            format!("the connection to the broker at {place} was closed")
        }
        _ => format!("the broker at {place} cannot be used: {error}"),
    }
}

fn explain_io(error: &std::io::Error, place: &str) -> String {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::ConnectionRefused => format!("{place} refuses connections: is the broker running, and is this its port?"),
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
            format!("the connection to the broker at {place} broke off")
        }
        Io::TimedOut => format!("{place} does not answer"),
        Io::InvalidData => format!(
            "TLS with {place} failed: {error}; is it the broker's TLS port, its certificate valid, and `broker.ca_file` \
             the CA that signed it?"
        ),
        _ => format!("{place} cannot be reached: {error}"),
    }
}
