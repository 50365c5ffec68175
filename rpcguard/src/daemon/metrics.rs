//! Serving metrics where the configuration says.

use std::{
    convert::Infallible,
    net::TcpListener,
    sync::{Mutex, PoisonError},
};

use tokio::task::JoinHandle;

use crate::{
    error::{Doing as _, Result},
    guard::Registry,
    metrics::{self, ListenAddress},
    portmapper::Heard,
};

/// Whether and where metrics are served.
pub(super) struct Metrics {
    registry: Registry,
    address: Option<ListenAddress>,
    server: Option<JoinHandle<Infallible>>,
}

impl Metrics {
    /// They are not served yet.
    pub(super) const fn new(registry: Registry) -> Self {
        Self {
            registry,
            address: None,
            server: None,
        }
    }

    /// Serves them there, or nowhere, from now on.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on. They are served where they were, then.
    pub(super) async fn serve_at(&mut self, address: Option<ListenAddress>) -> Result<()> {
        if address == self.address {
            return Ok(());
        }
        let Some(wanted) = address else {
            self.stop().await;
            log::info!("metrics are not served any more");
            return Ok(());
        };
        // An address may stand for all, among them the one that is listened on so far.
        let before = self
            .address
            .filter(|before| before.0.port() == wanted.0.port());
        if before.is_some() {
            self.stop().await;
        }
        match self.serve(wanted).await {
            Ok(()) => {
                log::info!("metrics are served at http://{wanted}/metrics");
                Ok(())
            }
            Err(error) => {
                if let Some(before) = before {
                    self.serve(before).await?;
                }
                Err(error)
            }
        }
    }

    async fn serve(&mut self, address: ListenAddress) -> Result<()> {
        let listener = TcpListener::bind(address.0)
            .and_then(|listener| {
                listener.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(listener)
            })
            .doing(format!("serve metrics at {address}"))?;
        self.stop().await;
        let registry = self.registry.clone();
        let heard = Mutex::new(Heard::default());
        let collect = move || {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            metrics::render(&registry, &mut heard)
        };
        let server = tokio::spawn(metrics::serve(listener, collect));
        self.server = Some(server);
        self.address = Some(address);
        Ok(())
    }

    /// Once this returns, nobody listens any more.
    async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        self.address = None;
    }
}
