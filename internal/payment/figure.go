package payment

// Figure is one thing that operators' machines watch, as the books have it now.
type Figure struct {
	Name    string // for Prometheus: paysaga_…, with its unit at the end
	Help    string
	Labels  []string // names
	Samples []Sample // none where there is nothing to tell
}

// Sample is a figure's value for one combination of labels.
type Sample struct {
	Labels []string // values, in the order of the figure's labels
	Value  float64
}
