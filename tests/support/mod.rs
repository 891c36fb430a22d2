//! What several test programs need: servers by `scripts/services`, a broker's virtual host for one test, an AMQP client,
//! and a proxy that fails as networks do. Each program includes this folder as a module of its own.

#![allow(dead_code, reason = "each program uses its part of this")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

pub mod client;
pub mod hostile;
pub mod proxy;
pub mod raw;
pub mod services;
pub mod vhost;
pub mod wait;
