
pub mod stub;
