/// Why a measurement could not be made, in words.
struct LabError: Error, Equatable, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
