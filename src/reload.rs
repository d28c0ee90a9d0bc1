//! Layer 5: reading the settings again, on SIGHUP. All of them or none: what cannot be used leaves
//! everything as it was.

use std::env;
use std::sync::Arc;

use tracing::{error, info, warn};

use crate::config::{Config, FIXED, Settings};
use crate::logging::Level;
use crate::machine::Machine;
use crate::net::Certificates;

/// The settings that hold, and what their change concerns beside the server.
#[derive(Debug)]
pub struct Reload {
    settings: Settings,
    level: Arc<Level>,
}

impl Reload {
    /// `settings` hold, and the log has this `level`.
    #[must_use]
    pub fn new(settings: Settings, level: Arc<Level>) -> Self {
        Self { settings, level }
    }

    /// What the settings come to now, with `certificates` read again, too; nothing if any of it
    /// cannot be used, which the log tells.
    pub fn read(&mut self, certificates: Option<&mut Certificates>) -> Option<Config> {
        let mut settings = match Settings::read(env::args_os()) {
            Ok(settings) => settings,
            Err(unusable) => {
                unusable.to_string().lines().for_each(Self::refuse);
                return None;
            }
        };
        let asked = settings.clone();
        settings.args.hold_fixed(&self.settings.args);
        let config = match Config::new(&settings.args, Machine::look()) {
            Ok(config) => config,
            Err(sentence) => {
                Self::refuse(&sentence);
                return None;
            }
        };
        if let (Some(certificates), Some(files)) = (certificates, &config.certificates)
            && let Err(sentence) = certificates.reload(files)
        {
            Self::refuse(&sentence);
            return None;
        }
        let (fixed, live): (Vec<&str>, Vec<&str>) =
            asked.differing_from(&self.settings).partition(|key| FIXED.contains(key));
        if !fixed.is_empty() {
            warn!(settings = fixed.join(" "), "what was changed waits for the next start");
        }
        self.level.set(&settings.args.log_level);
        let changed = (!live.is_empty()).then(|| live.join(" "));
        info!(changed, "settings were read again");
        self.settings.take_live(asked);
        Some(config)
    }

    fn refuse(why: &str) {
        error!("settings are left as they are: {why}");
    }
}
