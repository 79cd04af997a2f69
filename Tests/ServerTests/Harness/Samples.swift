extension String {
    /// The value of a sample of a page of metrics; nil if there is none of that name and labels.
    func sample(_ name: String) -> Double? {
        split(separator: "\n").first { $0.hasPrefix(name + " ") }.flatMap { Double($0.dropFirst(name.count + 1)) }
    }
}
