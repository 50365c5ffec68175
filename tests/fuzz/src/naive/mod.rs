//! The same again, written slowly: from the standards and the documented rules, not from the code.

#[expect(
    dead_code,
    reason = "the names of procedures are for tests of the core"
)]
#[path = "../../../../rpcguard-common/tests/core/naive_call.rs"]
pub(crate) mod call;
pub(crate) mod frame;
pub(crate) mod portmapper;
