//! Why the broker could not be used: sentences for people, without password and body.

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
