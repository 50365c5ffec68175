//! Guards from attach to detach, and everything that can come in between: crashes, failing system
//! calls, interfaces and namespaces that go, several commands at once, floods.

mod failing;
mod interrupted;
mod model;
mod snapshot;
mod traced;
