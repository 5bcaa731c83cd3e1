//! One cell of the matrix, and which cells make sense.
//!
//! Limits: a cell with two causes of failure is left out, since either answer would be right.

use std::fmt;

use crate::axes::{Login, Reference, Server, Setting, Trust, Way};

/// Positions on the six axes.
pub(crate) type Place = [usize; 6];

/// The lengths of the six axes.
pub(crate) const LENGTHS: Place = [
    Server::ALL.len(),
    Login::ALL.len(),
    Way::ALL.len(),
    Trust::ALL.len(),
    Setting::ALL.len(),
    Reference::ALL.len(),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) server: Server,
    pub(crate) login: Login,
    pub(crate) way: Way,
    pub(crate) trust: Trust,
    pub(crate) setting: Setting,
    pub(crate) reference: Reference,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, login, way, trust, setting, reference } = self;
        write!(f, "{server:?} {login:?} {way:?} {trust:?} {setting:?} {reference:?}")
    }
}

impl Cell {
    pub(crate) fn at(place: Place) -> Self {
        let [server, login, way, trust, setting, reference] = place;
        Self {
            server: Server::ALL[server],
            login: Login::ALL[login],
            way: Way::ALL[way],
            trust: Trust::ALL[trust],
            setting: Setting::ALL[setting],
            reference: Reference::ALL[reference],
        }
    }

    /// Where it is on the axes.
    pub(crate) fn place(&self) -> Place {
        [
            self.server as usize,
            self.login as usize,
            self.way as usize,
            self.trust as usize,
            self.setting as usize,
            self.reference as usize,
        ]
    }

    /// Whether its values fit together, with one cause of failure at most.
    pub(crate) fn can_be(&self) -> bool {
        self.fits() && self.causes() <= 1
    }

    /// Whether git has to succeed.
    pub(crate) fn is_good(&self) -> bool {
        self.causes() == 0
    }

    pub(crate) fn is_https(&self) -> bool {
        use Server::*;
        matches!(self.server, Https | HttpsSelfSigned | HttpsOtherName | HttpsKnownClients)
    }

    pub(crate) fn is_http(&self) -> bool {
        use Server::*;
        let plain = [HttpBackend, HttpUploadPack, HttpFiles, HttpMoved, HttpMissing, HttpDead];
        self.is_https() || plain.contains(&self.server)
    }

    pub(crate) fn is_ssh(&self) -> bool {
        matches!(self.server, Server::Ssh | Server::SshShort | Server::SshMissing)
    }

    fn has_repository(&self) -> bool {
        use Server::*;
        let without = [HttpMissing, HttpDead, DaemonMissing, DaemonDead, SshMissing, FileMissing];
        !without.contains(&self.server)
    }

    fn fits(&self) -> bool {
        let login = match self.login {
            Login::Nothing => true,
            Login::SshWrongKey | Login::SshUnknownHost => self.is_ssh(),
            _ => self.is_http() && self.has_repository(),
        };
        // A redirect leads to this machine's address, so what is known of the name that only the proxy knows has no effect.
        let way = self.way == Way::Direct
            || self.is_http()
                && self.server != Server::HttpDead
                && self.server != Server::HttpMoved;
        let clients =
            [Trust::Client, Trust::ClientForUrl, Trust::ClientVariable, Trust::OtherClient];
        let shows = clients.contains(&self.trust) || self.trust == Trust::ClientUnverified;
        let trust = match self.server {
            Server::HttpsKnownClients => shows || self.trust == Trust::Authority,
            _ if self.is_https() => !shows,
            _ => self.trust == Trust::Nothing,
        };
        let other_user =
            self.trust != Trust::NoVerifyForOtherUser || self.login != Login::UrlPassword;
        let reference = self.reference == Reference::Default || self.has_repository();
        // A user in the address goes no further than its own address, and this helper answers to no other.
        let moved = self.server == Server::HttpMoved
            && matches!(self.login, Login::HelperForUser | Login::NetrcByUser);
        login && way && trust && other_user && reference && !moved
    }

    fn causes(&self) -> usize {
        [
            !self.has_repository(),
            self.login_fails(),
            self.way_fails(),
            self.is_https() && self.trust_fails(),
            self.setting_fails(),
            self.reference_fails(),
        ]
        .into_iter()
        .filter(|fails| *fails)
        .count()
    }

    fn login_fails(&self) -> bool {
        use Login::*;
        [
            Missing,
            UrlWrong,
            NetrcWrong,
            HelperWrong,
            HelperForOtherPort,
            HelperReset,
            AskpassWrong,
            HeaderMissing,
            HeaderForOtherPort,
            CookieMissing,
            SshWrongKey,
            SshUnknownHost,
        ]
        .contains(&self.login)
    }

    fn way_fails(&self) -> bool {
        use Way::*;
        [ProxyDead, ProxyDeadVariable, NoProxyElsewhere, ProxyLoginMissing, ProxyLoginWrong]
            .contains(&self.way)
    }

    /// Whether the server ends the connection for want of a certificate that it knows.
    pub(crate) fn client_is_refused(&self) -> bool {
        self.server == Server::HttpsKnownClients
            && matches!(self.trust, Trust::Authority | Trust::OtherClient)
    }

    fn trust_fails(&self) -> bool {
        use Trust::*;
        let unverified =
            [NoVerify, NoVerifyForUrl, NoVerifyForWildcard, NoVerifyVariable, ClientUnverified];
        let never =
            [Nothing, NoVerifyForOtherPort, NoVerifyForOtherUser, OtherAuthority, OtherClient];
        match self.server {
            Server::HttpsOtherName => !unverified.contains(&self.trust),
            Server::HttpsKnownClients => self.client_is_refused(),
            _ => never.contains(&self.trust),
        }
    }

    fn setting_fails(&self) -> bool {
        let is_moved = self.server == Server::HttpMoved;
        matches!(self.setting, Setting::Never | Setting::OnlyOtherVariable)
            || self.setting == Setting::NoRedirects && is_moved
    }

    fn reference_fails(&self) -> bool {
        use Reference::*;
        matches!(self.reference, NoBranch | NoCommit | TagOfTree | TagOfBlob)
    }
}
