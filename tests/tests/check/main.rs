//! `rpcguard check`, and what `attach` and `status` say about exposure: on real rpcbind in every way that it is
//! run, and on servers that lie.

mod activation;
mod attach;
#[path = "../cli/check_documents.rs"]
mod documents;
mod evidence;
mod filtered;
mod hostile;
mod local;
mod needs;
mod readme;
mod remote;
mod rpcinfo;
mod scene;
mod services;
mod strangers;
