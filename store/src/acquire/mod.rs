//! Source → Staged. May be slow; holds no store lock; nothing is visible.
