package enum PrimitivesPlaceholder {}
