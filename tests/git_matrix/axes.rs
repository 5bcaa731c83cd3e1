//! The six axes of the matrix.
//!
//! Limits: names only; their effect is in `surroundings`.

macro_rules! axis {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $value,)+ }

        impl $name {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$value,)+];
        }
    };
}

axis! {
    /// Where the repository is.
    Server {
        HttpBackend, HttpUploadPack, HttpFiles, HttpMoved, HttpMissing, HttpDead,
        Https, HttpsSelfSigned, HttpsOtherName, HttpsKnownClients,
        Daemon, DaemonMissing, DaemonDead, Ssh, SshShort, SshMissing,
        File, FileWorktree, FileLinkedWorktree, FileShallow, FileAlternates, FileMissing,
    }
}

axis! {
    /// What the person comes with, and what the server wants.
    Login {
        Nothing,
        UrlPassword, UrlPasswordUnneeded, Netrc, NetrcDefault, NetrcByUser,
        Helper, HelperSecond, HelperStore, HelperForUrl, HelperForUser, HelperForWildcard, HelperWithPath, UserConfigured,
        Askpass, AskpassConfigured, AskpassOfSsh, UrlUserAndAskpass,
        Authorization, Header, HeaderForUrl, HeaderInEnvironment, Cookie, CookieForUrl,
        Missing, UrlWrong, NetrcWrong, HelperWrong, HelperForOtherPort, HelperReset, AskpassWrong, HeaderMissing, HeaderForOtherPort,
        CookieMissing, SshWrongKey, SshUnknownHost,
    }
}

axis! {
    /// What is between.
    Way {
        Direct,
        Proxy, ProxyForUrl, ProxyForWildcard, ProxyVariable, ProxyAll, ProxyLogin, ProxyLoginVariable,
        NoProxyHost, NoProxyUpper, NoProxyNetwork, NoProxyAll, ProxyReset, UpperHttpProxy,
        ProxyDead, ProxyDeadVariable, NoProxyElsewhere, ProxyLoginMissing, ProxyLoginWrong,
    }
}

axis! {
    /// What is known of the server's certificate, and shown of one's own.
    Trust {
        Nothing,
        Authority, AuthorityForUrl, AuthorityVariable, Authorities, AuthoritiesVariable,
        NoVerify, NoVerifyForUrl, NoVerifyForWildcard, NoVerifyVariable,
        NoVerifyForOtherPort, NoVerifyForOtherUser, OtherAuthority,
        Client, ClientForUrl, ClientVariable, ClientUnverified, OtherClient,
    }
}

axis! {
    /// What else is configured.
    Setting {
        Nothing,
        InsteadOf, InsteadOfLongest, InsteadOfInclude, InsteadOfCount, InsteadOfParameters, InsteadOfXdg, InsteadOfGlobalVariable, PushInsteadOf,
        Version0, Version1, Version2, OnlyThis, OnlyThisVariable, Never, OnlyOtherVariable,
        OtherSections, Agent, NoRedirects,
    }
}

axis! {
    /// The reference in the repository.
    Reference {
        Default, Branch, BranchWithSlash, Light, Annotated, AnnotatedAlone, TagOfTag,
        Tip, Old, Alone, NoBranch, NoCommit, TagOfTree, TagOfBlob,
    }
}
