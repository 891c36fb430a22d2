//! One entry of a definition's `credentials`, compiled.

use serde_json::Value;

use super::CompileError;
use crate::lifecycle::AuthenticationMethod;

/// How accounts of one method bring their credential.
#[derive(Debug)]
pub struct CredentialPlan;

impl CredentialPlan {
    /// Compiles an entry.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn compile(_method: AuthenticationMethod, config: &Value) -> Result<Self, CompileError> {
        if config.is_object() { Ok(Self) } else { Err(CompileError::new("", "must be an object")) }
    }
}
