//! The command `serve`: lends a device of this machine to other processes. A build has it with the feature `remote`.

#[cfg(not(feature = "remote"))]
mod absent;
mod arguments;
#[cfg(feature = "remote")]
mod server;

#[cfg(not(feature = "remote"))]
pub(crate) use absent::serve;
pub(crate) use arguments::ServeArguments;
#[cfg(feature = "remote")]
pub(crate) use server::serve;
