//! `rpcguard check`, and what `attach` and `status` say about exposure: on real rpcbind in every way that it is
//! run, and on servers that lie.

mod activation;
mod answers;
mod attach;
#[path = "../cli/check_documents.rs"]
mod documents;
mod doubt;
mod evidence;
mod fake;
mod filtered;
mod forwarded;
mod harmless;
mod holders;
mod hostile;
mod local;
mod needs;
mod own;
mod readme;
mod remote;
mod rpcinfo;
mod scene;
mod services;
mod strangers;
mod unreachable;
