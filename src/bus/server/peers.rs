//! Clients without a bus between them and us: so many at once and no more, each known to the kernel, each within time.

use std::num::NonZeroUsize;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::permission::Permission;
use super::serve::serve;
use super::stream::ClientSocket;
use super::{Hub, Word, handshake};

/// Clients at once; more are closed.
const CLIENTS: usize = 32;
/// How long a client may take to say who it is.
const LIMIT: Duration = Duration::from_secs(5);
/// Messages of a client that wait to be read.
const QUEUE: usize = 8;
/// Pause after an accept that failed: most likely for want of descriptors, and those come back.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves who connects to `listener`, for good.
pub(super) async fn accept(hub: &Arc<Hub>, listener: UnixListener) {
    let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::UnixListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            hub.agent.tell(Word::Unserved { why: format!("nobody can ask without a bus: {error}") });
            return;
        }
    };
    let room = Arc::new(Semaphore::new(CLIENTS));
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                failing = false;
                if let Ok(place) = Arc::clone(&room).try_acquire_owned() {
                    let hub = Arc::clone(hub);
                    tokio::spawn(async move {
                        let _place = place;
                        // A client that comes and goes, however it does, is nobody's concern.
                        let _ = client(&hub, stream).await;
                    });
                }
            }
            Err(error) => {
                if !failing {
                    hub.agent.tell(Word::Unserved { why: format!("a client cannot be served: {error}") });
                }
                failing = true;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn client(hub: &Arc<Hub>, mut stream: UnixStream) -> Result<String, zbus::Error> {
    let user = stream.peer_cred()?.uid();
    let guid = Guid::generate();
    let known = handshake::authenticate(&mut stream, user, guid.as_str());
    let Ok(ahead) = timeout(LIMIT, known).await else { return Ok(format!("not known within {LIMIT:?}")) };
    let queue = NonZeroUsize::new(QUEUE).unwrap_or(NonZeroUsize::MIN);
    let socket = ClientSocket::new(stream, ahead?);
    let builder = Builder::authenticated_socket(socket, guid).p2p().max_queued(queue).validate_bodies();
    let messages = builder.build_message_stream().await?;
    let connection = Connection::from(&messages);
    let seen = hub.view.watch().await;
    Ok(serve(hub, connection, messages, Permission::Peer, seen).await)
}
