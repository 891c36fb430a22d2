//! How many requests to one host are under way at once; further ones wait here, in the order in which they came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::telemetry::{Count, Metrics};

/// The hosts with requests under way.
#[derive(Debug)]
pub struct HostCaps {
    /// For each host; 0 is without a limit.
    limit: usize,
    hosts: Mutex<HashMap<Arc<str>, Host>>,
    metrics: Metrics,
}

/// A host with requests.
#[derive(Debug)]
struct Host {
    places: Arc<Semaphore>,
    /// Requests under way and waiting: without any the host is forgotten.
    users: usize,
}

/// A request's part of its host's number.
#[derive(Debug)]
pub(super) struct Place {
    _user: User,
    permit: Option<OwnedSemaphorePermit>,
}

/// Keeps a host from being forgotten.
#[derive(Debug)]
struct User {
    caps: Arc<HostCaps>,
    host: Arc<str>,
}

impl HostCaps {
    /// At most `limit` requests to each host; 0 is without a limit.
    #[must_use]
    pub fn new(limit: usize, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { limit, hosts: Mutex::default(), metrics })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a request to `host`, or the wait for one. Dropping the wait gives it up.
    pub(super) fn enter(self: &Arc<Self>, host: &Arc<str>) -> Result<Option<Place>, BoxFuture<'static, Option<Place>>> {
        if self.limit == 0 {
            return Ok(None);
        }
        let places = {
            let mut hosts = self.lock();
            let known = hosts.entry(Arc::clone(host));
            let known = known.or_insert_with(|| Host { places: Arc::new(Semaphore::new(self.limit)), users: 0 });
            known.users += 1;
            Arc::clone(&known.places)
        };
        let user = User { caps: Arc::clone(self), host: Arc::clone(host) };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(permit) => Ok(Some(Place { _user: user, permit: Some(permit) })),
            Err(_) => Err(wait(places, user).boxed()),
        }
    }
}

async fn wait(places: Arc<Semaphore>, user: User) -> Option<Place> {
    user.caps.metrics.host_cap_waits.inc();
    let waiting = UnderWay::begin(&user.caps.metrics.host_cap_waiting);
    let permit = places.acquire_owned().await.ok();
    drop(waiting);
    Some(Place { _user: user, permit })
}

/// One more in a gauge, until it is dropped: however a future ends.
#[derive(Debug)]
pub(super) struct UnderWay(Count);

impl UnderWay {
    pub(super) fn begin(gauge: &Count) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Before the host may be forgotten with those that are left.
        drop(self.permit.take());
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut hosts = self.caps.lock();
        if let Some(host) = hosts.get_mut(&self.host) {
            host.users -= 1;
            if host.users == 0 {
                hosts.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn a_request_over_the_cap_waits_for_its_host_alone_and_in_its_turn() {
        let metrics = Metrics::default();
        let caps = HostCaps::new(2, metrics.clone());
        let (busy, idle): (Arc<str>, Arc<str>) = ("busy.test".into(), "idle.test".into());
        let mut held: Vec<_> = (0..2).map(|_| caps.enter(&busy).ok().flatten().unwrap()).collect();
        let (Err(first), Err(second)) = (caps.enter(&busy), caps.enter(&busy)) else { panic!("over the cap") };
        assert!(caps.enter(&idle).is_ok(), "another host has its own places");
        let (mut first, mut second) = (first, second);
        let mut context = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert_eq!((metrics.host_cap_waiting.get(), metrics.host_cap_waits.get()), (2, 2));
        held.pop();
        assert!(second.as_mut().poll(&mut context).is_pending(), "it came later");
        let Poll::Ready(Some(place)) = first.as_mut().poll(&mut context) else { panic!("its turn") };
        drop(second);
        assert_eq!(metrics.host_cap_waiting.get(), 0);
        drop((place, held));
        assert!(caps.lock().is_empty(), "nobody is left, so nothing is remembered");
    }

    #[test]
    fn without_a_cap_nothing_waits_and_nothing_is_remembered() {
        let caps = HostCaps::new(0, Metrics::default());
        let host: Arc<str> = "a.test".into();
        assert!((0..1000).all(|_| matches!(caps.enter(&host), Ok(None))));
        assert!(caps.lock().is_empty());
    }
}
