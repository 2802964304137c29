class Web < Sinatra::Base
  set :views, File.join(__dir__, "views")

  get "/" do
    @reports = Report.order(id: :desc).limit(20)
    erb :index
  end

  post "/reports" do
    Report.create!
    redirect "/"
  end

  get "/up" do # where Rails answers, too
    Report.exists?
    "OK"
  end
end
