package enum LinksPlaceholder {}
