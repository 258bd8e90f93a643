//! The notification channels that the mobile facade shows beside the profile.

use frontdesk_kernel::Patch;

/// Which channels may be used for notifications. Has a version of its own: it is not a part of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// E-mail.
    pub email_enabled: bool,
    /// Push to devices.
    pub push_enabled: bool,
    /// Text messages.
    pub sms_enabled: bool,
    /// Counts changes, from 1.
    pub version: i64,
}

impl Default for Channels {
    fn default() -> Self {
        Self { email_enabled: true, push_enabled: false, sms_enabled: false, version: 1 }
    }
}

/// A change of channels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelsPatch {
    /// E-mail.
    pub email_enabled: Patch<bool>,
    /// Push to devices.
    pub push_enabled: Patch<bool>,
    /// Text messages.
    pub sms_enabled: Patch<bool>,
}

/// Applies a change; the version moves only where something did.
pub fn merge(stored: Channels, patch: ChannelsPatch) -> Channels {
    let ChannelsPatch { email_enabled, push_enabled, sms_enabled } = patch;
    let default = Channels::default();
    let merged = Channels {
        email_enabled: email_enabled.over_or(stored.email_enabled, || default.email_enabled),
        push_enabled: push_enabled.over_or(stored.push_enabled, || default.push_enabled),
        sms_enabled: sms_enabled.over_or(stored.sms_enabled, || default.sms_enabled),
        version: stored.version,
    };
    if merged == stored { stored } else { Channels { version: stored.version + 1, ..merged } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clearing_goes_back_to_the_default() {
        let off = Channels { email_enabled: false, ..Channels::default() };
        let patch = ChannelsPatch { email_enabled: Patch::Clear, ..ChannelsPatch::default() };
        assert_eq!(merge(off, patch), Channels { version: 2, ..Channels::default() });
    }

    #[test]
    fn setting_what_is_set_changes_no_version() {
        let patch = ChannelsPatch { email_enabled: Patch::Set(true), ..ChannelsPatch::default() };
        assert_eq!(merge(Channels::default(), patch), Channels::default());
    }
}
