//! What the tests use themselves: the broker's virtual hosts, the client, the message that nobody can read, the proxy.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use lapin::BasicProperties;

use crate::shared::client::{Client, Said};
use crate::shared::proxy::Proxy;
use crate::shared::raw;
use crate::shared::vhost::Vhost;
use crate::shared::wait::comes_true;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_message_goes_into_a_virtual_host_and_comes_out() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    assert_eq!(client.count("imports").await, None);
    client.declare("imports", &[]).await;
    client.bind("imports", "amq.topic", "a.*").await;
    let properties = BasicProperties::default().with_message_id("one".into());
    assert_eq!(client.publish("amq.topic", "a.b", properties, b"{}").await, Said::Confirmed);
    let taken = client.take("imports", 1, SOON).await;
    assert_eq!((taken[0].data.as_slice(), taken[0].routing_key.as_str()), (&b"{}"[..], "a.b"));
    assert_eq!(taken[0].properties.message_id().as_ref().map(lapin::types::ShortString::as_str), Some("one"));
    client.unbind("imports", "amq.topic", "a.*").await;
    assert_eq!(client.publish("amq.topic", "a.b", BasicProperties::default(), b"{}").await, Said::Returned);
    assert_eq!(client.count("imports").await, Some((0, 0)));
    client.delete("imports").await;
    assert_eq!(client.count("imports").await, None);
}

#[tokio::test]
async fn a_message_id_that_is_no_text_ends_the_connection_of_who_gets_it() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    raw::publish(&vhost.url(), "imports", b"id-\xff\xfe", b"{}").unwrap();
    assert_eq!(client.count("imports").await, Some((1, 0)));
    let reader = lapin::Connection::connect(&vhost.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = reader.create_channel().await.unwrap();
    // The question stays without an answer, not even that the connection has ended.
    let get = channel.basic_get("imports".into(), lapin::options::BasicGetOptions::default());
    tokio::select! {
        gotten = get => assert!(gotten.is_err(), "{gotten:?}"),
        () = ended(&reader) => {}
    }
    assert_eq!(vhost.get("queues", "imports")["name"], "imports");
}

#[tokio::test]
async fn a_connection_is_closed_by_the_management_interface() {
    let Some(vhost) = Vhost::make() else { return };
    let properties = lapin::ConnectionProperties::default().with_connection_name("somebody".into());
    let connection = lapin::Connection::connect(&vhost.url(), properties).await.unwrap();
    assert_eq!(vhost.close_connections("somebody"), 1);
    ended(&connection).await;
}

async fn ended(connection: &lapin::Connection) {
    assert!(comes_true(SOON, async || !connection.status().connected()).await, "the connection notices");
}

/// Sends a byte by way of `stream` to an echo and reads it back within a moment; what came of it.
fn echoed(stream: &mut TcpStream) -> Result<(), ErrorKind> {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.write_all(b"x").map_err(|error| error.kind())?;
    match stream.read(&mut [0; 8]) {
        Ok(0) => Err(ErrorKind::UnexpectedEof),
        Ok(_) => Ok(()),
        Err(error) => Err(error.kind()),
    }
}

#[test]
fn the_proxy_cuts_swallows_and_heals() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = Proxy::start(server.local_addr().unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || std::io::copy(&mut stream.try_clone().unwrap(), &mut stream));
        }
    });
    let open = || TcpStream::connect(proxy.address).unwrap();
    let mut first = open();
    assert_eq!(echoed(&mut first), Ok(()));
    assert_eq!(proxy.cut(), 1);
    let ended = echoed(&mut first).unwrap_err();
    assert!(
        matches!(ended, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{ended:?}"
    );

    let mut second = open();
    assert_eq!(echoed(&mut second), Ok(()));
    assert_eq!(proxy.silence(), 1);
    assert_eq!(echoed(&mut second), Err(ErrorKind::WouldBlock), "a silent connection is not told");
    let mut third = open();
    assert_eq!(echoed(&mut third), Ok(()), "new ones work");

    assert_eq!(proxy.hold(), 1, "what is silent is not met any more");
    let mut fourth = open();
    assert_eq!(echoed(&mut third), Err(ErrorKind::WouldBlock));
    assert_eq!(echoed(&mut fourth), Err(ErrorKind::WouldBlock), "a new one is mute");
    proxy.heal();
    assert_eq!((echoed(&mut third), echoed(&mut fourth)), (Ok(()), Ok(())), "what was held goes on");
    assert_eq!(echoed(&mut second), Err(ErrorKind::WouldBlock), "what was silenced stays silent");
}
