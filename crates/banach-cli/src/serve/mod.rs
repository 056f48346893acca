//! The command `serve`: lends a device of this machine to other processes. A build has it with the feature `remote`.

#[cfg(not(feature = "remote"))]
mod absent;
#[cfg(feature = "remote")]
mod server;

#[cfg(not(feature = "remote"))]
pub(crate) use absent::serve;
#[cfg(feature = "remote")]
pub(crate) use server::serve;

use crate::options::Verbosity;
use clap::Args;

/// The arguments of `banach serve`.
#[derive(Args, Debug)]
#[cfg_attr(not(feature = "remote"), allow(dead_code, reason = "a build without servers refuses the command"))]
pub(crate) struct ServeArguments {
    /// Port to listen on; 0 takes one that is free.
    #[arg(long, value_name = "P")]
    port: u16,
    /// Address to listen on. Any other than this one lends the device to whoever reaches it: the protocol is not encrypted.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The device of this machine that is lent.
    #[arg(long, value_name = "NAME", default_value = "cpu")]
    device: String,
    #[command(flatten)]
    verbosity: Verbosity,
}
