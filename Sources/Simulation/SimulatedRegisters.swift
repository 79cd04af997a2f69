import Links
import Primitives
import Replication
import Store

/// The machine of the registers beside a node's replicator, as a node's `AliasRegisters` has it.
struct SimulatedRegisters {
    struct Cover {
        let number: UInt64
        /// Nil: what everyone holds.
        let heads: [LogHead]?
    }

    var machine: Registers
    /// Rows of the acceptor were damaged: until they are gone and it begins anew it says nothing.
    var isDown = false
    var deadline: Int64?
    var covers: [Cover] = []
    /// Peers that have told which epoch they are in, since their connection began.
    var heard: Set<NodeID> = []
    var connected: [ConnectionID: NodeID] = [:]
    /// Claims whose clients wait at this node.
    var waiting: Set<UInt128> = []

    init(_ machine: Registers) { self.machine = machine }

    /// What the acceptor or a claim is about, if it is about anything.
    var phase: Phase? {
        if machine.awaited != nil { return .changing }
        if machine.standing.isAcceptor(machine.me), !machine.standing.isWhole(machine.me) { return .learning }
        return waiting.isEmpty ? nil : .claiming
    }
}

/// What the store tells the registers.
enum RegisterNews {
    case event(RegisterEvent)
    /// Whether the damaged rows are gone.
    case forgotten(Bool)
}

/// What the store made durable of registers and claims, or could not, since it was last taken.
struct KeptRegisters {
    var writes: [(write: RegisterWrite, succeeded: Bool)] = []
    var forgotten: [Bool] = []
    /// Of claims that won: whether this node's store has the link.
    var adopted: [(claim: UInt128, result: Result<CreatedLink, WriteError>)] = []
}
