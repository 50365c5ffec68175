//! Guards from attach to detach, and everything that can come in between: crashes, failing system
//! calls, interfaces and namespaces that go, several commands at once, floods.

mod concurrent;
mod effort;
mod failing;
mod flood;
mod gone;
mod hits;
mod interrupted;
mod kill_points;
mod killed;
mod library;
mod lists;
mod long;
mod model;
mod names;
mod scene;
mod snapshot;
mod temporary;
mod traced;
