//! Configurations that refuse unknown fields when they are read; those of Burn's derived `Config` ignore them.

/// Declares a configuration. The fields of `given` are the arguments of `new`; all others have a default and a setter.
macro_rules! strict_config {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            given {$($(#[$given_doc:meta])* $given:ident: $given_type:ty,)*}
            defaults {$($(#[$doc:meta])* $setter:ident($field:ident: $type:ty = $default:expr),)*}
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$given_doc])* pub $given: $given_type,)*
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $name {
            /// Creates a configuration from the required settings, with defaults for the others.
            #[allow(clippy::new_without_default, reason = "as all of Burn's configurations")]
            pub fn new($($given: $given_type),*) -> Self {
                $name { $($given,)* $($field: $default,)* }
            }

            $(
                $(#[$doc])*
                #[must_use]
                pub fn $setter(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }

        $crate::settings::strict::strict_config!(as_config $name);
    };
    (as_config $name:ident) => {
        impl burn::config::Config for $name {}

        /// Writes JSON.
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&burn::config::config_to_json(self))
            }
        }
    };
}

pub(crate) use strict_config;
