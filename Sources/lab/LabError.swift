import Server

/// Why a measurement could not be made, in words.
struct LabError: Error, Equatable, CustomStringConvertible {
    let description: String
    let exitStatus: Int32

    init(_ description: String) { (self.description, exitStatus) = (description, ExitStatus.failed) }

    /// What was asked for cannot be.
    init(usage description: String) { (self.description, exitStatus) = (description, ExitStatus.wrongUsage) }
}
