/// What is to happen, by time and then by order of scheduling: a binary heap.
struct EventQueue<Happening> {
    private struct Item {
        var at: Int64
        var order: UInt64
        var happening: Happening

        static func < (left: Item, right: Item) -> Bool { (left.at, left.order) < (right.at, right.order) }
    }

    private var items: [Item] = []
    private(set) var scheduled: UInt64 = 0

    var count: Int { items.count }
    var nextAt: Int64? { items.first?.at }

    mutating func schedule(_ happening: Happening, at: Int64) {
        scheduled += 1
        items.append(Item(at: at, order: scheduled, happening: happening))
        var child = items.count - 1
        while child > 0, items[child] < items[(child - 1) / 2] {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func take() -> (at: Int64, happening: Happening)? {
        guard let first = items.first else { return nil }
        let last = items.removeLast()
        if !items.isEmpty {
            items[0] = last
            sink()
        }
        return (first.at, first.happening)
    }

    private mutating func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < items.count && items[child] < items[least] {
                least = child
            }
            if least == parent { return }
            items.swapAt(parent, least)
            parent = least
        }
    }
}
