//! Why a socket is closed from this side, in codes that a browser can read.

use bytes::{Bytes, BytesMut};
use frontdesk_kernel::{Fault, FaultCode};
use frontdesk_rooms::hub::Unseated;
use frontdesk_rooms::store::EnterError;

use crate::error::ApiError;

macro_rules! kinds {
    ($($kind:ident, $code:literal, $reason:literal;)*) => {
        /// The kinds of closing, by code (RFC 6455, 7.4, and the contract on rooms).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = $reason] $kind,)*
        }

        impl Kind {
            /// Every kind, by code.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The code as it is sent.
            pub(crate) const fn code(self) -> u16 {
                match self { $(Self::$kind => $code,)* }
            }

            /// What is said with it where nothing more is known.
            pub(crate) const fn reason(self) -> &'static str {
                match self { $(Self::$kind => $reason,)* }
            }
        }
    };
}

kinds! {
    Away, 1001, "the service is restarting";
    Protocol, 1002, "a frame breaks the protocol";
    NotText, 1007, "a text frame is not UTF-8";
    TooLarge, 1009, "a message is over 64 KiB";
    Internal, 1011, "an internal error occurred";
    TryAgain, 1013, "the service is temporarily unavailable: try again later";
    Malformed, 4400, "the request is malformed";
    Unauthenticated, 4401, "the credential is missing, malformed, expired or revoked";
    Forbidden, 4403, "the credential is another user's";
    Late, 4408, "no auth frame came within 10 s";
    TooMany, 4409, "20 sockets of this user are open";
    Deleted, 4410, "the account was deleted";
    RateLimited, 4429, "too many requests or messages";
}

impl From<FaultCode> for Kind {
    fn from(code: FaultCode) -> Self {
        match code {
            FaultCode::ValidationFailed
            | FaultCode::UnsupportedMediaType
            | FaultCode::Conflict
            | FaultCode::UsernameTaken
            | FaultCode::IdempotencyInProgress
            | FaultCode::IdempotencyKeyReused
            | FaultCode::PreconditionFailed => Self::Malformed,
            // Who is not there is told as who is not believed.
            FaultCode::Unauthorized | FaultCode::NotFound => Self::Unauthenticated,
            FaultCode::Forbidden | FaultCode::ReauthenticationRequired => Self::Forbidden,
            FaultCode::RateLimited => Self::RateLimited,
            FaultCode::Unavailable => Self::TryAgain,
            FaultCode::Internal => Self::Internal,
        }
    }
}

/// A code and the words beside it: 123 bytes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closure {
    pub(crate) kind: Kind,
    pub(crate) reason: &'static str,
}

impl Closure {
    /// Says more than the kind does.
    pub(crate) const fn because(kind: Kind, reason: &'static str) -> Self {
        Self { kind, reason }
    }

    /// Any fault of a domain; its cause goes to the log.
    pub(crate) fn of<F: Fault>(fault: F) -> Self {
        let kind = Kind::from(fault.code());
        if let Some(cause) = ApiError::from(fault).cause {
            tracing::error!(code = kind.code(), cause, "a socket failed");
        }
        kind.into()
    }

    /// The close frame.
    pub(super) fn frame(self) -> Bytes {
        close_frame(Some(self.kind.code()), self.reason)
    }
}

impl From<Kind> for Closure {
    fn from(kind: Kind) -> Self {
        Self { kind, reason: kind.reason() }
    }
}

impl From<Unseated> for Closure {
    fn from(unseated: Unseated) -> Self {
        match unseated {
            Unseated::TooMany => Kind::TooMany.into(),
            Unseated::Stopping => Kind::Away.into(),
        }
    }
}

impl From<EnterError> for Closure {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::TooMany => Kind::TooMany.into(),
            EnterError::Unavailable(cause) => Self::of(cause),
        }
    }
}

/// A close frame; without a code it says nothing.
pub(super) fn close_frame(code: Option<u16>, reason: &str) -> Bytes {
    use actix_http::ws::{CloseCode, CloseReason, Parser};
    let mut frame = BytesMut::with_capacity(reason.len() + 4);
    let description = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
    Parser::write_close(&mut frame, code.map(|code| CloseReason { code: CloseCode::from(code), description }), false);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_sorted() {
        let codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert!(codes.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn every_reason_fits_a_control_frame() {
        for kind in Kind::ALL {
            let frame = Closure::from(*kind).frame();
            assert_eq!(frame[..2], [0x88, u8::try_from(frame.len() - 2).unwrap()]);
            assert_eq!(frame[2..4], kind.code().to_be_bytes());
            assert!(frame.len() <= 127);
        }
    }

    #[test]
    fn an_empty_close_frame_says_nothing() {
        assert_eq!(close_frame(None, ""), [0x88, 0].as_slice());
        assert_eq!(close_frame(Some(1000), ""), [0x88, 2, 0x03, 0xe8].as_slice());
    }
}
