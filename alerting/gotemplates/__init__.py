"""Go's text/template, as far as annotations and notifications use it: `compile_template` once, `Template.render` often."""
