//! Why sessions end: every ending has a name, and is counted under it.

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client asked for it.
    Quit,
    /// The client will send no more.
    EndOfInput,
    /// The connection broke, or was reset.
    HangUp,
    /// Too many lines in a row were no UTF-8.
    BadInput,
    /// The client did not keep to its protocol.
    BadFrame,
    /// The client did not answer when it was asked whether it is there.
    NoPong,
    /// Handling what the client sent failed in a way it should not.
    Internal,
    /// The client sent nothing for longer than is allowed.
    Idle,
    /// The client did not read what it was sent.
    Slow,
    /// It held much memory when the server was short of it; or the connection was turned away for
    /// that reason.
    Memory,
    /// The server was full, most of its connections were from its network, and it had said nothing
    /// for longer than the others there.
    Evicted,
    /// Another connection of the same client has taken over.
    Replaced,
    /// It came to a port for lines, and sent an HTTP request.
    HttpOnLinePort,
    /// It came to a port for plain lines, and began a TLS handshake.
    TlsOnPlainPort,
    /// It came to a port for lines with a PROXY header, from an address that is no proxy's.
    UnannouncedProxyHeader,
    /// The server goes down.
    Drain,
    /// The server had as many clients as it may have: the connection was turned away.
    Full,
    /// Its address had as many connections as one may have: it was turned away.
    AddressFull,
    /// Its address had connected too often of late: it was turned away.
    AddressFast,
    /// It came through a proxy that did not say from where: it was turned away without a word.
    BadProxyHeader,
    /// It came to the port for TLS, and did not get through the handshake, or not in time: it was
    /// turned away without a word.
    BadHandshake,
    /// It came to a port for TLS, and did not speak it.
    NoTls,
    /// It came to a port for browsers, and asked for nothing that can be answered, or not in time.
    BadRequest,
    /// It is a page of another origin than may chat here.
    BadOrigin,
    /// It asked for a host name that is not ours, as DNS rebinding does.
    BadHost,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub reason: CloseReason,
    /// What its client is told in a word of its protocol; 0 for the usual one for such a reason.
    pub word: u16,
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Self { reason, word: 0 }
    }
}

impl CloseReason {
    /// Every reason, in the order of [`CloseReason::index`].
    pub const ALL: [Self; 25] = [
        Self::Quit,
        Self::EndOfInput,
        Self::HangUp,
        Self::BadInput,
        Self::BadFrame,
        Self::NoPong,
        Self::Internal,
        Self::Idle,
        Self::Slow,
        Self::Memory,
        Self::Evicted,
        Self::Replaced,
        Self::HttpOnLinePort,
        Self::TlsOnPlainPort,
        Self::UnannouncedProxyHeader,
        Self::Drain,
        Self::Full,
        Self::AddressFull,
        Self::AddressFast,
        Self::BadProxyHeader,
        Self::BadHandshake,
        Self::NoTls,
        Self::BadRequest,
        Self::BadOrigin,
        Self::BadHost,
    ];

    /// How many of them end sessions: those that come first. The others keep a connection from
    /// having one.
    pub const OF_SESSIONS: usize = Self::Drain as usize + 1;

    /// The place of this reason in a table with one entry per reason.
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether the operator is told of each: it is the server's doing, and not all the same.
    #[must_use]
    pub fn is_notable(self) -> bool {
        matches!(
            self,
            Self::BadInput
                | Self::BadFrame
                | Self::NoPong
                | Self::Internal
                | Self::Idle
                | Self::Slow
                | Self::Memory
                | Self::Evicted
                | Self::HttpOnLinePort
                | Self::TlsOnPlainPort
                | Self::UnannouncedProxyHeader
        )
    }

    /// The reason in logs and counters.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::EndOfInput => "end-of-input",
            Self::HangUp => "hang-up",
            Self::BadInput => "bad-input",
            Self::BadFrame => "bad-frame",
            Self::NoPong => "no-pong",
            Self::Internal => "internal-error",
            Self::Idle => "idle",
            Self::Slow => "slow",
            Self::Memory => "memory",
            Self::Evicted => "evicted",
            Self::Replaced => "replaced",
            Self::HttpOnLinePort => "http-on-line-port",
            Self::TlsOnPlainPort => "tls-on-plain-port",
            Self::UnannouncedProxyHeader => "unannounced-proxy-header",
            Self::Drain => "drain",
            Self::Full => "full",
            Self::AddressFull => "address-full",
            Self::AddressFast => "address-fast",
            Self::BadProxyHeader => "bad-proxy-header",
            Self::BadHandshake => "bad-handshake",
            Self::NoTls => "no-tls",
            Self::BadRequest => "bad-request",
            Self::BadOrigin => "bad-origin",
            Self::BadHost => "bad-host",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_reason_at_its_index() {
        for (i, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), i, "{}", reason.label());
        }
    }
}
