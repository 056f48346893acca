//! The options of `banach serve`.

use crate::options::Verbosity;
use clap::Args;

/// The arguments of `banach serve`.
#[derive(Args, Debug)]
#[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "a build without servers refuses the command"))]
pub(crate) struct ServeArguments {
    /// Port to listen on; 0 takes one that is free.
    #[arg(long, value_name = "P")]
    pub(super) port: u16,
    /// Address to listen on. Any other than this one lends the device to whoever reaches it: the protocol is not encrypted.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(super) host: String,
    /// The device of this machine that is lent.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    pub(super) device: String,
    #[command(flatten)]
    pub(super) verbosity: Verbosity,
}
