//! The scripts: each is one step that nothing else comes between.

use backends::redis::Script;

/// All of them.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) abandon_or_show: Script,
    pub(super) apply: Script,
    pub(super) begin: Script,
    pub(super) fill: Script,
    pub(super) foreign: Script,
    pub(super) gaps: Script,
    pub(super) look: Script,
    pub(super) page: Script,
    pub(super) refill: Script,
    pub(super) renew: Script,
    pub(super) sweep: Script,
    pub(super) told: Script,
    pub(super) windows: Script,
}

macro_rules! script {
    ($($part:literal)*) => {
        Script::new(concat!(include_str!("lua/common.lua"), $(include_str!(concat!("lua/", $part, ".lua"))),*))
    };
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            abandon_or_show: script!("end"),
            apply: script!("stream" "change" "apply"),
            begin: script!("begin"),
            fill: script!("stream" "change" "fill"),
            foreign: script!("foreign"),
            gaps: script!("gaps"),
            look: script!("look"),
            page: script!("page"),
            refill: script!("stream" "refill"),
            renew: script!("renew"),
            sweep: script!("sweep"),
            told: script!("told"),
            windows: script!("windows"),
        }
    }
}
