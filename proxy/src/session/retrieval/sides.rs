//! What IMAP and POP3 devices have in common, and where they differ.

use portreeve_protocols::{Channel, Credentials, Denial, Dialogue, imap, pop3};

use crate::{config::Config, upstream::ExchangeSide};

/// The server side of a protocol whose session becomes a pipe.
pub(crate) trait DeviceSide: Dialogue + Send + Sized {
    /// The client side of the same protocol.
    type Exchange: ExchangeSide;

    /// A dialogue that begins with our greeting.
    fn start(config: &Config, channel: Channel) -> Self;
    /// An event in common words.
    fn understand(event: Self::Event) -> Understood;
    /// The exchange has let us in.
    fn accept(&mut self, said: &<Self::Exchange as ExchangeSide>::Opened);
    /// The device is not let in.
    fn refuse(&mut self, denial: &Denial);
    /// TLS is up.
    fn tls_started(&mut self);
    /// Last words before we close.
    fn bye(&mut self, text: &str);
}

/// What a device wants, whichever protocol it speaks.
pub(crate) enum Understood {
    /// It says who it is.
    Login(Credentials),
    /// The login's answer is written: the stream now belongs to the pipe.
    Open,
    /// It is over; why, for the log.
    Ended(String),
}

impl DeviceSide for imap::device::Device {
    type Exchange = imap::exchange::Exchange;

    fn start(config: &Config, channel: Channel) -> Self {
        let servers = config.mail_servers(&config.default_provider);
        Self::new(imap::device::Options {
            hostname: config.hostname.clone(),
            channel,
            capabilities: servers
                .imap_capabilities
                .iter()
                .map(|&item| item.to_owned())
                .collect(),
            limits: config.limits.imap_device(),
            trace: config.log.wire,
        })
    }

    fn understand(event: Self::Event) -> Understood {
        match event {
            imap::device::Event::Login(credentials) => Understood::Login(credentials),
            imap::device::Event::Open => Understood::Open,
            imap::device::Event::Ended(ending) => Understood::Ended(ending.to_string()),
        }
    }

    fn accept(&mut self, said: &imap::exchange::Opened) {
        self.accept(said);
    }

    fn refuse(&mut self, denial: &Denial) {
        self.refuse(denial);
    }

    fn tls_started(&mut self) {
        self.tls_started();
    }

    fn bye(&mut self, text: &str) {
        self.bye(text);
    }
}

impl DeviceSide for pop3::device::Device {
    type Exchange = pop3::exchange::Exchange;

    fn start(config: &Config, channel: Channel) -> Self {
        Self::new(pop3::device::Options {
            hostname: config.hostname.clone(),
            channel,
            limits: config.limits.pop3_device(),
            trace: config.log.wire,
        })
    }

    fn understand(event: Self::Event) -> Understood {
        match event {
            pop3::device::Event::Login(credentials) => Understood::Login(credentials),
            pop3::device::Event::Open => Understood::Open,
            pop3::device::Event::Ended(ending) => Understood::Ended(ending.to_string()),
        }
    }

    fn accept(&mut self, said: &pop3::exchange::Opened) {
        self.accept(said);
    }

    fn refuse(&mut self, denial: &Denial) {
        self.refuse(denial);
    }

    fn tls_started(&mut self) {
        self.tls_started();
    }

    fn bye(&mut self, text: &str) {
        self.bye(text);
    }
}
