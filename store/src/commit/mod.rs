//! Staged → Entry → Generation. The journal append is the commit point.
