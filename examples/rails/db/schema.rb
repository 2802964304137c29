ActiveRecord::Schema.define do
  create_table :reports, if_not_exists: true do |t|
    t.string :state, null: false, default: "queued"
    t.integer :step, null: false, default: 0
    t.timestamps
  end
end
