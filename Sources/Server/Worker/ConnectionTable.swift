/// A worker's connections. Slots are used again; a handle of an earlier connection in the slot finds nothing.
struct ConnectionTable {
    private var connections: [Connection?] = []
    private var generations: [UInt32] = []
    private var freeSlots: [UInt32] = []

    /// All that are here now; they may be removed one by one while they are looked at.
    var all: [Connection] { connections.compactMap(\.self) }

    subscript(handle: ConnectionHandle) -> Connection? {
        let slot = Int(handle.slot)
        guard slot < connections.count, generations[slot] == handle.generation else { return nil }
        return connections[slot]
    }

    mutating func add(_ descriptor: Int32, now: Int64) -> Connection {
        let slot: UInt32
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = UInt32(connections.count)
            connections.append(nil)
            generations.append(0)
        }
        let handle = ConnectionHandle(slot: slot, generation: generations[Int(slot)])
        let connection = Connection(descriptor, handle, now: now)
        connections[Int(slot)] = connection
        return connection
    }

    mutating func remove(_ connection: Connection) {
        let slot = Int(connection.handle.slot)
        precondition(connections[slot] === connection)
        connections[slot] = nil
        generations[slot] = (generations[slot] + 1) & 0x7fff_ffff  // Never the listener's or the wake-up's token.
        freeSlots.append(UInt32(slot))
    }
}
