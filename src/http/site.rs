//! What a server answers to and for, as its operator has set it.

use std::sync::{Arc, PoisonError, RwLock};

use hyper::Request;
use ipnet::IpNet;

use super::host::{AllowedHost, Host, Refusal};
use super::origin::AllowedOrigin;

/// The host names of requests that are answered, and the origins of pages that may chat beside the
/// server's own.
#[derive(Debug, Default)]
pub struct Rules {
    /// See [`AllowedHost`].
    pub hosts: Vec<AllowedHost>,
    /// See [`AllowedOrigin`].
    pub origins: Vec<AllowedOrigin>,
    /// Where proxies are, whose requests say where they come from.
    pub proxies: Vec<IpNet>,
}

/// The rules that hold at the moment: all HTTP ports share them, the operator's too.
#[derive(Clone, Debug, Default)]
pub struct Site(Arc<RwLock<Arc<Rules>>>);

impl Rules {
    /// The host that `request` is for; nothing if it need not name one.
    ///
    /// # Errors
    /// When it names none though it must, several, or one that is not answered.
    pub fn host_of<B>(&self, request: &Request<B>) -> Result<Option<Host>, Refusal> {
        let host = Host::of(request)?;
        host.as_ref().map_or(Ok(()), |host| host.check(&self.hosts))?;
        Ok(host)
    }
}

impl Site {
    /// The rules for a request that has come now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// These hold from now on. A page's origin may chat with its own host, so hosts of origins
    /// are answered, too, and so are the names in a certificate, which the operator owns.
    pub fn change(&self, mut rules: Rules, certified: &[String]) {
        rules.hosts.extend(rules.origins.iter().filter_map(AllowedOrigin::hosts));
        rules.hosts.extend(certified.iter().filter_map(|name| name.parse().ok()));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}
