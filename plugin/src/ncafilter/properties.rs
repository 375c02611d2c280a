//! The table of settings as properties of a GObject.

use std::ffi::CString;

use glib::translate::*;
use gst::prelude::*;
use nca::settings::{Change, Choice, Kind, Setting, Settings, Value};

/// The property of a setting.
pub(super) fn spec(setting: &Setting) -> glib::ParamSpec {
    let help = setting.description();
    let default = property_value(setting, &setting.default);
    let of_type = "the default of a setting has its type";
    match setting.kind {
        Kind::Number { least, most } => {
            let builder = glib::ParamSpecDouble::builder(setting.name)
                .minimum(least)
                .maximum(most)
                .default_value(default.get().expect(of_type));
            finish(builder, setting, &help).build()
        }
        Kind::Whole { most, .. } => {
            let least = least(setting);
            match default.type_() {
                glib::Type::I32 => {
                    let builder = glib::ParamSpecInt::builder(setting.name)
                        .minimum(least as i32)
                        .maximum(most as i32)
                        .default_value(default.get().expect(of_type));
                    finish(builder, setting, &help).build()
                }
                glib::Type::U32 => {
                    let builder = glib::ParamSpecUInt::builder(setting.name)
                        .minimum(least as u32)
                        .maximum(most as u32)
                        .default_value(default.get().expect(of_type));
                    finish(builder, setting, &help).build()
                }
                _ => {
                    let builder = glib::ParamSpecUInt64::builder(setting.name)
                        .minimum(least as u64)
                        .maximum(most as u64)
                        .default_value(default.get().expect(of_type));
                    finish(builder, setting, &help).build()
                }
            }
        }
        Kind::Switch => {
            let builder = glib::ParamSpecBoolean::builder(setting.name)
                .default_value(default.get().expect(of_type));
            finish(builder, setting, &help).build()
        }
        Kind::Text { .. } => {
            let builder = glib::ParamSpecString::builder(setting.name);
            finish(builder, setting, &help).build()
        }
        Kind::Choice { choices } => {
            let flags = flags(setting);
            let (_, chosen) = glib::EnumValue::from_value(&default).expect(of_type);
            // SAFETY: the type is that of an enum, which has the default. The builder of the bindings takes
            // none but types that are known when they are compiled.
            unsafe {
                from_glib_none(glib::gobject_ffi::g_param_spec_enum(
                    setting.name.to_glib_none().0,
                    setting.label.to_glib_none().0,
                    help.to_glib_none().0,
                    enum_type(setting, choices).into_glib(),
                    chosen.value(),
                    flags.into_glib(),
                ))
            }
        }
    }
}

fn finish<'b, B: glib::prelude::ParamSpecBuilderExt<'b>>(
    builder: B,
    setting: &'b Setting,
    blurb: &'b str,
) -> B {
    builder
        .nick(setting.label)
        .blurb(blurb)
        .flags(flags(setting))
}

fn flags(setting: &Setting) -> glib::ParamFlags {
    let changes = match setting.change {
        Change::WithTheNextStart => gst::PARAM_FLAG_MUTABLE_READY,
        Change::AtOnce => gst::PARAM_FLAG_MUTABLE_PLAYING,
        Change::EveryFrame => gst::PARAM_FLAG_MUTABLE_PLAYING | gst::PARAM_FLAG_CONTROLLABLE,
    };
    glib::ParamFlags::READWRITE | changes
}

/// The least that the property of a whole number can be.
fn least(setting: &Setting) -> i128 {
    let Kind::Whole { least, .. } = setting.kind else {
        unreachable!("{} is a whole number", setting.name);
    };
    setting.unset_number().unwrap_or(least)
}

/// A value as the property has it.
pub(super) fn property_value(setting: &Setting, value: &Value) -> glib::Value {
    match (value, setting.kind) {
        (Value::Number(number), _) => number.to_value(),
        (Value::Switch(on), _) => on.to_value(),
        (Value::Text(name), Kind::Choice { choices }) => {
            let class = glib::EnumClass::with_type(enum_type(setting, choices));
            let value = class.and_then(|class| class.to_value_by_nick(name));
            value.expect("every choice is a value of the enum")
        }
        (Value::Text(text), _) => text.to_value(),
        (_, Kind::Whole { most, .. }) => {
            let number = match value {
                Value::Whole(number) => *number,
                _ => least(setting),
            };
            // The narrowest of the usual types that has them all.
            if least(setting) < 0 {
                (number as i32).to_value()
            } else if most <= u32::MAX.into() {
                (number as u32).to_value()
            } else {
                (number as u64).to_value()
            }
        }
        (Value::Unset | Value::Whole(_), _) => None::<&str>.to_value(),
    }
}

/// A value that the property has been set to; GObject has seen to its type and range.
pub(super) fn setting_value(setting: &Setting, value: &glib::Value) -> Value {
    const TYPE: &str = "type checked upstream";
    match setting.kind {
        Kind::Number { .. } => Value::Number(value.get().expect(TYPE)),
        Kind::Switch => Value::Switch(value.get().expect(TYPE)),
        Kind::Whole { .. } => {
            let number = match value.type_() {
                glib::Type::I32 => value.get::<i32>().map(i128::from),
                glib::Type::U32 => value.get::<u32>().map(i128::from),
                _ => value.get::<u64>().map(i128::from),
            };
            match number.expect(TYPE) {
                number if setting.unset_number() == Some(number) => Value::Unset,
                number => Value::Whole(number),
            }
        }
        Kind::Choice { .. } => {
            let (_, chosen) = glib::EnumValue::from_value(value).expect(TYPE);
            Value::Text(chosen.nick().to_owned().into())
        }
        Kind::Text { .. } => {
            let text = value.get::<Option<String>>().expect(TYPE);
            text.map_or(Value::Unset, |text| Value::Text(text.into()))
        }
    }
}

/// The enum of a setting with choices, such as `GstNcaFilterMotionQuality`; registered when it is first
/// asked for.
pub(super) fn enum_type(setting: &Setting, choices: &[Choice]) -> glib::Type {
    let words = setting.name.split('-').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    let name = format!("GstNcaFilter{}", words.collect::<String>());
    if let Some(there) = glib::Type::from_name(name.as_str()) {
        return there;
    }
    // GObject keeps pointers to names and values for as long as it lives.
    let kept = |text: String| CString::new(text).expect("names have no NUL").into_raw();
    let values = choices
        .iter()
        .zip(0..)
        .map(|(choice, value)| glib::gobject_ffi::GEnumValue {
            value,
            value_name: kept(format!("{}: {}", choice.label, choice.help)),
            value_nick: kept(choice.name.to_owned()),
        });
    let end = glib::gobject_ffi::GEnumValue {
        value: 0,
        value_name: std::ptr::null(),
        value_nick: std::ptr::null(),
    };
    let values: Vec<_> = values.chain([end]).collect();
    // SAFETY: the values end with one of zeros, and they are kept for ever.
    unsafe {
        from_glib(glib::gobject_ffi::g_enum_register_static(
            name.to_glib_none().0,
            values.leak().as_ptr(),
        ))
    }
}

/// Sets the properties of an element `ncafilter` to all that was set in `settings`.
pub fn configure(element: &gst::Element, settings: &Settings) {
    for (setting, value) in settings.iter() {
        element.set_property_from_value(setting.name, &property_value(setting, value));
    }
}
