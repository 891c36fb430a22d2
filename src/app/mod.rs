//! Putting the parts together: tasks of a process and the stub provider.

pub mod stub;
pub mod tasks;
