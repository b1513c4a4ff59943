module services/imaginary

go 1.25

require (
	github.com/h2non/bimg v1.1.9
	github.com/h2non/imaginary v1.2.4
)
